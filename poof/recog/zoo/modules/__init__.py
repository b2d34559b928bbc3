"""The temporal modules by name. To add one: a file with a `TemporalModule`, a line here; the tests run over all."""

from __future__ import annotations

from poof.recog.core.module import TemporalModule
from poof.recog.zoo.modules.cbam import BlockAttention
from poof.recog.zoo.modules.class_regularisation import ClassRegularisation
from poof.recog.zoo.modules.cpa import PyramidAttention
from poof.recog.zoo.modules.dem import DynamicEquilibrium
from poof.recog.zoo.modules.gc import GlobalContext
from poof.recog.zoo.modules.kpsem import KeyPointShifts
from poof.recog.zoo.modules.m2a import MotionAwareAttention
from poof.recog.zoo.modules.mbpm import MotionBandPass
from poof.recog.zoo.modules.mta import TemporalAggregation
from poof.recog.zoo.modules.nonlocal_ import NonLocal
from poof.recog.zoo.modules.pwtp import DynamicAppearance
from poof.recog.zoo.modules.representations import DynamicImage, FrameDifference, OpticalFlow
from poof.recog.zoo.modules.rnl import RegionNonLocal
from poof.recog.zoo.modules.se import SqueezeAddition
from poof.recog.zoo.modules.selection import FrameSelection
from poof.recog.zoo.modules.sr import SqueezeRecursion
from poof.recog.zoo.modules.srtg import RecursionGate
from poof.recog.zoo.modules.tam import AdaptiveModule
from poof.recog.zoo.modules.tdn import LongTermDifference
from poof.recog.zoo.modules.tea import MotionExcitation
from poof.recog.zoo.modules.tsm import TemporalShift
from poof.recog.zoo.modules.tsp import TemporalSqueeze

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
