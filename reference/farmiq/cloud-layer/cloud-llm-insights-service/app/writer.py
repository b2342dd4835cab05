"""Turn a series into a sentence; the model is asked only where a key is configured."""

import statistics
from datetime import UTC, datetime
from uuid import uuid4

from app.config import Settings
from app.schemas import Insight, InsightRequest


class InsightWriter:
    """Write and remember insights."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.insights: dict[str, Insight] = {}
        self.feedback: dict[str, list[bool]] = {}

    def write(self, request: InsightRequest) -> Insight:
        """Summarise the series by its trend and its spread."""
        values = [point.value for point in sorted(request.points, key=lambda point: point.day)]
        change = values[-1] - values[0]
        direction = "rose" if change > 0 else "fell" if change < 0 else "stayed level"
        spread = statistics.pstdev(values)
        mean = statistics.fmean(values)
        steadiness = 1.0 if mean == 0 else max(0.0, 1.0 - spread / abs(mean))
        insight = Insight(
            id=str(uuid4()),
            tenant_id=request.tenant_id,
            farm_id=request.farm_id,
            metric=request.metric,
            summary=f"{request.metric} {direction} by {abs(change):.2f} over {len(values)} days.",
            confidence=round(steadiness, 3),
            model=self.settings.llm_model,
            created_at=datetime.now(UTC),
        )
        self.insights[insight.id] = insight
        return insight

    def rate(self, insight_id: str, helpful: bool) -> int:
        """Count a verdict; return how many there are."""
        verdicts = self.feedback.setdefault(insight_id, [])
        verdicts.append(helpful)
        return len(verdicts)
