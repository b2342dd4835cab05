"""Make, change and end feed plans."""

from datetime import date
from uuid import uuid4

from fastapi import APIRouter, Header, HTTPException
from pydantic import BaseModel, Field

from .config import settings

router = APIRouter(prefix="/api/v1/plans", tags=["plans"])


class Plan(BaseModel):
    """Feed for one barn from a day on."""

    barn_id: str = Field(min_length=1)
    feed: str = Field(min_length=1)
    starts: date
    kilograms_a_day: float = Field(gt=0, le=20_000)


class PlanChange(BaseModel):
    """What may change in a running plan."""

    feed: str | None = Field(default=None, min_length=1)
    kilograms_a_day: float | None = Field(default=None, gt=0, le=20_000)


PLANS: dict[str, Plan] = {}


def known(plan_id: str) -> Plan:
    """Return the plan, or answer 404."""
    if plan_id not in PLANS:
        raise HTTPException(status_code=404, detail="no such plan")
    return PLANS[plan_id]


@router.post("", status_code=201)
def create(plan: Plan, x_farm_id: str = Header(default="")) -> dict:
    """Start a plan."""
    if len(PLANS) >= settings.max_plans:
        raise HTTPException(status_code=409, detail="too many plans")
    plan_id = uuid4().hex
    PLANS[plan_id] = plan
    return {"id": plan_id, "farm_id": x_farm_id, **plan.model_dump()}


@router.get("/{plan_id}")
def read(plan_id: str) -> dict:
    """Read a plan."""
    return {"id": plan_id, **known(plan_id).model_dump()}


@router.patch("/{plan_id}")
def change(plan_id: str, change: PlanChange) -> dict:
    """Change a running plan."""
    plan = known(plan_id).model_copy(update=change.model_dump(exclude_none=True))
    PLANS[plan_id] = plan
    return {"id": plan_id, **plan.model_dump()}


@router.delete("/{plan_id}")
def end(plan_id: str) -> dict:
    """End a plan."""
    known(plan_id)
    del PLANS[plan_id]
    return {"id": plan_id, "ended": True}
