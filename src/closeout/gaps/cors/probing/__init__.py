"""Questions that foreign and trusted pages put to services."""
