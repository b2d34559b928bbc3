"""The temporal modules by name. To add one: a file with a `TemporalModule`, a line here; the tests run over all."""

from __future__ import annotations

from poof.recog.modules.base import TemporalModule
from poof.recog.modules.cbam import BlockAttention
from poof.recog.modules.class_regularisation import ClassRegularisation
from poof.recog.modules.cpa import PyramidAttention
from poof.recog.modules.dem import DynamicEquilibrium
from poof.recog.modules.gc import GlobalContext
from poof.recog.modules.kpsem import KeyPointShifts
from poof.recog.modules.m2a import MotionAwareAttention
from poof.recog.modules.mbpm import MotionBandPass
from poof.recog.modules.mta import TemporalAggregation
from poof.recog.modules.nonlocal_ import NonLocal
from poof.recog.modules.pwtp import DynamicAppearance
from poof.recog.modules.representations import DynamicImage, FrameDifference, OpticalFlow
from poof.recog.modules.rnl import RegionNonLocal
from poof.recog.modules.se import SqueezeAddition
from poof.recog.modules.selection import FrameSelection
from poof.recog.modules.sr import SqueezeRecursion
from poof.recog.modules.srtg import RecursionGate
from poof.recog.modules.tam import AdaptiveModule
from poof.recog.modules.tdn import LongTermDifference
from poof.recog.modules.tea import MotionExcitation
from poof.recog.modules.tsm import TemporalShift
from poof.recog.modules.tsp import TemporalSqueeze

MODULES: dict[str, type[TemporalModule]] = {
    "m2a": MotionAwareAttention,
    "tsm": TemporalShift,
    "tea": MotionExcitation,
    "mta": TemporalAggregation,
    "tdn": LongTermDifference,
    "tam": AdaptiveModule,
    "kpsem": KeyPointShifts,
    "dem": DynamicEquilibrium,
    "sr": SqueezeRecursion,
    "srtg": RecursionGate,
    "select": FrameSelection,
    "classreg": ClassRegularisation,
    "mbpm": MotionBandPass,
    "rnl": RegionNonLocal,
    "nonlocal": NonLocal,
    "cpa": PyramidAttention,
    "se": SqueezeAddition,
    "gc": GlobalContext,
    "cbam": BlockAttention,
    "tsp": TemporalSqueeze,
    "pwtp": DynamicAppearance,
    "rgbdiff": FrameDifference,
    "dynamic": DynamicImage,
    "flow": OpticalFlow,
}
