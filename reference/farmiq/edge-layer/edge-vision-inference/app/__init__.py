"""Vision inference on the edge box: weigh and count animals from camera frames."""
