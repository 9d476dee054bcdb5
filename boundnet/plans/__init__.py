"""Plans: which arithmetic each layer runs in, from a file, from patterns, or as the model's own file says."""

from boundnet.plans.files import plan_data, plan_of, read_plan, write_plan
from boundnet.plans.keep import keep
from boundnet.plans.plan import Override, Plan

__all__ = ["Override", "Plan", "keep", "plan_data", "plan_of", "read_plan", "write_plan"]
