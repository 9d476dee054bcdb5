"""How the radius of a deviation is obtained: intervals or affine forms."""

from boundnet.domains.affine import AffineDomain
from boundnet.domains.base import Domain
from boundnet.domains.interval import IntervalDomain

__all__ = ["AffineDomain", "Domain", "IntervalDomain"]
