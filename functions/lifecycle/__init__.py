"""The functions of the state machine RunLifecycle."""
