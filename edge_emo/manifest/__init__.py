"""Model packages: the folder, its ``model.toml``, and the check of every file before it is read.

A package is a folder ``<id>/`` with ``model.toml``, the model card, the metrics and the compiled
files. Parsing is strict: an unknown key, a missing key and a wrong type are each an error that
names the file and the key.
"""

from __future__ import annotations

from edge_emo.manifest.find import check_license_policy as check_license_policy
from edge_emo.manifest.find import default_dirs as default_dirs
from edge_emo.manifest.find import find_detector as find_detector
from edge_emo.manifest.find import find_landmarks as find_landmarks
from edge_emo.manifest.find import find_package as find_package
from edge_emo.manifest.find import list_packages as list_packages
from edge_emo.manifest.find import open_package as open_package
from edge_emo.manifest.keys import PrivateKey as PrivateKey
from edge_emo.manifest.keys import PublicKey as PublicKey
from edge_emo.manifest.keys import read_keys as read_keys
from edge_emo.manifest.keys import read_private_key as read_private_key
from edge_emo.manifest.keys import read_public_key as read_public_key
from edge_emo.manifest.keys import shipped_keys as shipped_keys
from edge_emo.manifest.keys import write_key_pair as write_key_pair
from edge_emo.manifest.read import read_package as read_package
from edge_emo.manifest.signature import SIGNATURE as SIGNATURE
from edge_emo.manifest.signature import SIGNATURE_POLICIES as SIGNATURE_POLICIES
from edge_emo.manifest.signature import Signatures as Signatures
from edge_emo.manifest.signature import sign_package as sign_package
from edge_emo.manifest.signature import verify_package as verify_package
from edge_emo.manifest.values import COVERABLE as COVERABLE
from edge_emo.manifest.values import DIMENSIONS as DIMENSIONS
from edge_emo.manifest.values import FORMATS as FORMATS
from edge_emo.manifest.values import LICENSE_POLICIES as LICENSE_POLICIES
from edge_emo.manifest.values import MANIFEST as MANIFEST
from edge_emo.manifest.values import PRECISIONS as PRECISIONS
from edge_emo.manifest.values import TARGETS as TARGETS
from edge_emo.manifest.values import TASKS as TASKS
from edge_emo.manifest.values import Corpus as Corpus
from edge_emo.manifest.values import DetectionMetrics as DetectionMetrics
from edge_emo.manifest.values import DimensionTable as DimensionTable
from edge_emo.manifest.values import Licence as Licence
from edge_emo.manifest.values import ModelFile as ModelFile
from edge_emo.manifest.values import ModelPackage as ModelPackage
from edge_emo.manifest.values import ReferenceMetrics as ReferenceMetrics
from edge_emo.manifest.values import TensorSpec as TensorSpec
from edge_emo.manifest.values import is_categorical as is_categorical
from edge_emo.manifest.values import is_covering as is_covering
from edge_emo.manifest.values import is_dimensional as is_dimensional
