"""Weather of a farm's place: observations and a short outlook."""
