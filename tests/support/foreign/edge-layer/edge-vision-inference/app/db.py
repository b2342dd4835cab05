import json

import asyncpg

TABLE = """
    CREATE TABLE IF NOT EXISTS inference_results (
        id uuid PRIMARY KEY, event_id uuid, tenant_id text NOT NULL, farm_id text, barn_id text,
        device_id text, session_id text, media_id text, predicted_weight_kg numeric,
        confidence numeric, model_version text, metadata jsonb,
        occurred_at timestamptz NOT NULL DEFAULT now()
    )
"""
RESULT = """
    INSERT INTO inference_results (
        id, event_id, tenant_id, farm_id, barn_id, device_id, session_id, media_id,
        predicted_weight_kg, confidence, model_version, metadata
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
    ON CONFLICT (id) DO NOTHING RETURNING id
"""
EVENT = """
    INSERT INTO sync_outbox (
        id, tenant_id, farm_id, barn_id, device_id, session_id, event_type, payload_json, trace_id
    ) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (id) DO NOTHING
"""


class InferenceDb:
    def __init__(self, database_url):
        self.database_url = database_url
        self.pool = None

    async def connect(self):
        self.pool = await asyncpg.create_pool(self.database_url)

    async def close(self):
        if self.pool:
            await self.pool.close()

    async def _ask(self, kind, query, *args):
        async with self.pool.acquire() as connection:
            return await getattr(connection, kind)(query, *args)

    async def ensure_schema(self):
        await self._ask("execute", TABLE)

    async def ping(self):
        try:
            await self._ask("fetchval", "SELECT 1")
        except OSError:
            return False
        except Exception:
            return False
        return True

    async def create_inference_result(
        self, result_id, tenant_id, farm_id, barn_id, device_id, session_id, media_id,
        predicted_weight_kg, confidence, model_version, metadata=None,
    ):
        notes = None if metadata is None else json.dumps(metadata)
        where = (tenant_id, farm_id, barn_id, device_id, session_id, media_id)
        what = (predicted_weight_kg, confidence, model_version, notes)
        made = await self._ask("fetchval", RESULT, result_id, result_id, *where, *what)
        query = "SELECT id FROM inference_results WHERE id = $1"
        return str(made or await self._ask("fetchval", query, result_id))

    async def get_inference_result(self, result_id):
        row = await self._ask("fetchrow", "SELECT * FROM inference_results WHERE id = $1", result_id)
        return dict(row) if row else None

    async def get_inference_results_by_session(self, session_id, limit=100):
        query = "SELECT * FROM inference_results WHERE session_id = $1 LIMIT $2"
        return [dict(row) for row in await self._ask("fetch", query, session_id, limit)]

    async def get_inference_results_count(self, tenant_id):
        query = "SELECT count(*) FROM inference_results WHERE tenant_id = $1"
        return await self._ask("fetchval", query, tenant_id) or 0 if tenant_id else 0

    async def get_last_inference_result_timestamp(self, tenant_id):
        query = "SELECT max(occurred_at) FROM inference_results WHERE tenant_id = $1"
        last = await self._ask("fetchval", query, tenant_id) if tenant_id else None
        return last.isoformat() if last else None

    async def create_outbox_event(
        self, event_id, tenant_id, event_type, payload, trace_id,
        farm_id=None, barn_id=None, device_id=None, session_id=None,
    ):
        where = (tenant_id, farm_id, barn_id, device_id, session_id)
        text = json.dumps(payload)
        await self._ask("execute", EVENT, event_id, *where, event_type, text, trace_id)
        return str(event_id)
