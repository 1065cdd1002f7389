"""Verbosity: how much a candidate generates, whatever its scores say."""

import json
import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from suites.performance.test_knowledge import arc_easy
from suites.performance.test_reasoning import gsm8k
from tests.known_answers.answers import ANSWERS
from unicomp import scorecard_file
from unicomp.cli import main
from unicomp.divergence import divergence, relative_length
from unicomp.early.eligible import LENGTHS, all_in_full
from unicomp.errors import SpecError
from unicomp.findings import derive
from unicomp.framework import PAPER_PROFILE, SHIPPING_PROFILE, VERBOSITY, Profile
from unicomp.joint import merged
from unicomp.looks import look_again
from unicomp.policy import Policy
from unicomp.policy_entry import parse_entry
from unicomp.report import json as report
from unicomp.report.reasons import obstacles
from unicomp.retention import retention
from unicomp.scorecard import scorecard
from unicomp.settings import read_settings
from unicomp.spec import CheckpointId
from unicomp.testing import Oracle, Trial
from unicomp.verdict import expected, row_of

NAME = CheckpointId("embedded", "wanda_50")
PROFILE = Profile(
    "shipping", {"knowledge": ("arc_easy",), "reasoning": ("gsm8k",), VERBOSITY: ()}
)
