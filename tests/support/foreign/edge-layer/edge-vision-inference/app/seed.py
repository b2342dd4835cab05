import asyncio
import os
import sys
import uuid

from app.db import InferenceDb

if os.getenv("NODE_ENV") == "production" and not os.getenv("ALLOW_SEED_IN_PROD"):
    sys.exit(1)

WANTED = max(int(os.getenv("SEED_COUNT", "30")), 30)


async def seed_inference(db):
    await db.connect()
    await db.ensure_schema()
    written = 0
    for number in range(WANTED):
        where = ("t-1", "f-1", "b-1", "d-1", None, f"m-{number}")
        try:
            await db.create_inference_result(
                result_id=str(uuid.UUID(int=number)), **dict(zip(PLACE, where)),
                predicted_weight_kg=1 + number / 10, confidence=0.9, model_version="v1",
            )
        except RuntimeError:
            continue
        written += 1
    if written < WANTED:
        raise RuntimeError(f"{WANTED} rows are wanted, {written} were written")
    await db.close()


PLACE = ("tenant_id", "farm_id", "barn_id", "device_id", "session_id", "media_id")


async def main():
    try:
        await seed_inference(InferenceDb(os.getenv("DATABASE_URL", "")))
    except Exception:
        sys.exit(1)


if __name__ == "__main__":
    asyncio.run(main())
