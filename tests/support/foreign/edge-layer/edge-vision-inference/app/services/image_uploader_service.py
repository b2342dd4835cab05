from pathlib import Path

import httpx

from app.services.client import Neighbour, named

KINDS = {".png": "png", ".webp": "webp", ".tif": "tiff", ".tiff": "tiff"}


class ImageUploaderService(Neighbour):
    def __init__(self):
        super().__init__("IMAGE_SERVICE_URL")

    async def upload_image(
        self, *, sample_no, run_id, file_path, file_type, description="", jwt_token=None
    ):
        place = Path(file_path)
        if file_type not in {"raw", "annotated", "thumbnail"}:
            raise ValueError("a raw, an annotated picture or a thumbnail is wanted")
        kind = f"image/{KINDS.get(place.suffix.lower(), 'jpeg')}"
        fields = {"sample_no": sample_no, "run_id": str(run_id), "file_type": file_type}
        with place.open("rb") as picture:
            return await self.ask(
                httpx.AsyncClient, "post", "/images",
                data={**fields, "description": description},
                files={"file": (place.name, picture, kind)}, headers=named(jwt_token),
            )
