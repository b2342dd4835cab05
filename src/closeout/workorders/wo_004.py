"""The order that this project was made for; `orders/WO-004.toml` holds it as data."""

from __future__ import annotations

from closeout.workorders.order_files import shipped

WO_004 = shipped("WO-004.toml")
