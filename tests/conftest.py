"""Nothing that a test says depends on how fast a machine is: no example of a property has a deadline."""

from hypothesis import HealthCheck, settings

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
settings.register_profile("at any speed", deadline=None, suppress_health_check=SLOW)
settings.load_profile("at any speed")
