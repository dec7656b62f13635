"""From a graph to a plan: functions from IR to IR."""
