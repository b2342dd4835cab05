import json
from contextlib import suppress
from datetime import UTC, datetime

import redis

from app.config import Config

DAY = 86_400
ERRORS = "errors"


class RedisService:
    def __init__(self):
        url = getattr(Config, "REDIS_URL", "redis://localhost")
        made = redis.from_url(url, decode_responses=True, socket_timeout=5)
        self.redis_client = None
        with suppress(Exception):
            made.ping()
            self.redis_client = made

    def is_connected(self):
        with suppress(Exception):
            return bool(self.redis_client and self.redis_client.ping())
        return False

    def _kept(self, key, seconds, kind, run_id, details, **more):
        noted = {"type": kind, "run_id": run_id, "details": details or {}, **more}
        text = json.dumps({**noted, "timestamp": datetime.now(UTC).isoformat()})
        self.redis_client.setex(key, seconds, text)

    def log_error(self, run_id, error_type, error_message, details=None):
        key = f"error:{run_id}:{datetime.now(UTC).timestamp()}"
        told = {"error_type": error_type, "error_message": error_message}
        with suppress(Exception):
            self.redis_client.ping()
            self._kept(key, 7 * DAY, "error", run_id, details, **told)
            self.redis_client.lpush(ERRORS, key)
            self.redis_client.ltrim(ERRORS, 0, 999)

    def log_progress(self, run_id, progress, message, details=None):
        told = {"progress": progress, "message": message}
        with suppress(Exception):
            self.redis_client.ping()
            self._kept(f"progress:{run_id}", DAY, "progress", run_id, details, **told)

    def get_progress(self, run_id):
        with suppress(Exception):
            self.redis_client.ping()
            return json.loads(self.redis_client.get(f"progress:{run_id}"))
        return None

    def get_errors(self, run_id=None, limit=100):
        with suppress(Exception):
            self.redis_client.ping()
            found = self.redis_client.lrange(ERRORS, 0, limit - 1)
            if run_id is not None:
                found = self.redis_client.keys(f"error:{run_id}:*")
            texts = filter(None, map(self.redis_client.get, found))
            return sorted(map(json.loads, texts), key=lambda item: item["timestamp"], reverse=True)
        return []

    def clear_run_data(self, run_id):
        with suppress(Exception):
            self.redis_client.ping()
            keys = self.redis_client.keys(f"error:{run_id}:*")
            self.redis_client.delete(f"progress:{run_id}", *keys)
