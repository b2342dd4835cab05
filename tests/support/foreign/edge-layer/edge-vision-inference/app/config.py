import os
import uuid


class Config:
    DATABASE_URL = os.getenv("DATABASE_URL", "")
    MEDIA_STORE_URL = os.getenv("MEDIA_STORE_URL", "http://media")
    WEIGHVISION_SESSION_URL = os.getenv("WEIGHVISION_SESSION_URL", "http://sessions")
    MODEL_PATH = os.getenv("MODEL_PATH", "")
    MODEL_VERSION = os.getenv("MODEL_VERSION", "v1")
    CONFIDENCE_THRESHOLD = float(os.getenv("CONFIDENCE_THRESHOLD", "0.5"))
    NMS_THRESHOLD = float(os.getenv("NMS_THRESHOLD", "0.4"))

    @staticmethod
    def new_id():
        return str(uuid.uuid4())
