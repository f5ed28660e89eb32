"""Knative Eventing's model without Kubernetes: brokers, triggers and sources for CloudEvents."""

__version__ = "0.1.0"
