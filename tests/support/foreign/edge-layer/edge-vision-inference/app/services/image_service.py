import httpx

from app.services.client import Neighbour, named


class ImageService(Neighbour):
    def __init__(self):
        super().__init__("IMAGE_SERVICE_URL")

    async def _ask(self, method, path="", **more):
        return await self.ask(httpx.AsyncClient, method, f"/image-files{path}", **more)

    async def create_image_file(self, image, jwt_token=None):
        return await self._ask("post", json=image, headers=named(jwt_token))

    async def get_image_file(self, image_id):
        return await self._ask("get", f"/{image_id}")

    async def get_image_files_by_run_id(self, run_id):
        return await self._ask("get", f"/run/{run_id}")

    async def get_image_files_by_sample_no(self, sample_no):
        return await self._ask("get", f"/sample/{sample_no}")

    async def update_image_file(self, image_id, image):
        return await self._ask("put", f"/{image_id}", json=image)

    async def delete_image_file(self, image_id):
        return await self._ask("delete", f"/{image_id}")

    async def delete_image_files_by_run_id(self, run_id):
        return await self._ask("delete", f"/run/{run_id}")
