import httpx

from app.services.client import Neighbour


class DatabaseService(Neighbour):
    def __init__(self):
        super().__init__("PREDICTION_DB_SERVICE_URL")

    async def _ask(self, method, path, **more):
        return await self.ask(httpx.AsyncClient, method, f"/{path}", **more)

    async def create_prediction_run(self, run):
        return await self._ask("post", "predictions", json=run)

    async def update_prediction_run(self, run_id, run):
        return await self._ask("put", f"predictions/runs/{run_id}", json=run)

    async def create_well_predictions(self, run_id, found):
        return await self._ask("post", f"predictions/{run_id}/wells", json={"predictions": found})

    async def create_row_counts(self, run_id, counts):
        return await self._ask("post", f"predictions/{run_id}/counts", json=counts)

    async def create_inference_results(self, run_id, results):
        return await self._ask("post", f"predictions/{run_id}/results", json=results)

    async def get_prediction_run(self, run_id):
        return await self._ask("get", f"predictions/{run_id}")

    async def health_check(self):
        try:
            return await self._ask("get", "health")
        except Exception as error:
            return {"status": "unhealthy", "error": str(error)}


db_service = DatabaseService()
