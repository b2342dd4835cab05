from app.config import Config


class Neighbour:
    def __init__(self, setting):
        self.base = getattr(Config, setting, "").rstrip("/")
        if not self.base:
            raise RuntimeError(f"{setting} is not configured")

    async def ask(self, client, method, path, **more):
        async with client(timeout=30) as made:
            answer = await getattr(made, method)(f"{self.base}/api/v1{path}", **more)
            answer.raise_for_status()
            return answer.json()


def named(token):
    return {"Authorization": f"Bearer {token}"} if token else {}
