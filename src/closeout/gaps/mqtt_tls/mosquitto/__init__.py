"""The configuration that mosquitto reads."""
