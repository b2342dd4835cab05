"""Write, list, read and rate insights."""

from fastapi import APIRouter, HTTPException, Query, Request, Response

from app.schemas import Feedback, Insight, InsightRequest
from app.writer import InsightWriter

router = APIRouter(prefix="/api/v1/insights", tags=["insights"])


def writer_of(request: Request) -> InsightWriter:
    """Return the writer of the running app."""
    return request.app.state.writer


def known(request: Request, insight_id: str) -> Insight:
    """Return the insight, or answer 404."""
    insight = writer_of(request).insights.get(insight_id)
    if insight is None:
        raise HTTPException(status_code=404, detail="no such insight")
    return insight


@router.post("", response_model=Insight, status_code=201)
async def create(body: InsightRequest, request: Request) -> Insight:
    """Write an insight on a series."""
    if len(body.points) > request.app.state.settings.max_points:
        raise HTTPException(status_code=413, detail="series is too long")
    return writer_of(request).write(body)


@router.get("", response_model=list[Insight])
async def list_all(request: Request, tenant_id: str = Query(min_length=1)) -> list[Insight]:
    """List a tenant's insights."""
    return [item for item in writer_of(request).insights.values() if item.tenant_id == tenant_id]


@router.get("/{insight_id}", response_model=Insight)
async def read(insight_id: str, request: Request) -> Insight:
    """Read one insight."""
    return known(request, insight_id)


@router.post("/{insight_id}/feedback", status_code=202)
async def rate(insight_id: str, body: Feedback, request: Request) -> dict:
    """Rate an insight."""
    known(request, insight_id)
    return {"verdicts": writer_of(request).rate(insight_id, body.helpful)}


@router.delete("/{insight_id}", status_code=204)
async def forget(insight_id: str, request: Request) -> Response:
    """Forget an insight."""
    known(request, insight_id)
    del writer_of(request).insights[insight_id]
    return Response(status_code=204)
