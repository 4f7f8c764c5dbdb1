#!/usr/bin/env bash
# Tables of flow, model and pair on a machine with a CUDA GPU, in under 10 minutes.
#
#   bench/gpu.sh [FOLDER]     JSON files go to FOLDER, by default bench-results
#
# It measures the checkout it lies in, installed or not, with the python3 that is found (PYTHON names
# another), and whatever of ONNX Runtime and TensorRT that has. Random weights of the paper's size do
# for speed; agreement is of the runtimes with eager PyTorch on drawn pairs. What is missing, and what
# does not end in its share of the time, is said and left out.
#
# DEVICE=cpu is a rehearsal on a small scale: it runs every line, and its figures say nothing.
set -uo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
results=${1:-bench-results}
python=${PYTHON:-python3}
device=${DEVICE:-cuda}
if [ "$device" = cpu ]; then
  batches=1,2 few=1,2 sizes=140x170,64x64 crop=40x40 rounds=3 share=1 network=(--network htnet-s) limit=100
  precisions=fp32
else
  batches=1,4,16,64,256 few=1,256 sizes=140x170,64x64,128x128,256x256 crop=140x170 rounds=200 share=1
  network=(--network htnet --repeats 2,2,8) precisions=fp32,fp16 limit=110
fi

deadline=$((SECONDS + 580))
mkdir -p "$results" || exit 1
results=$(cd "$results" && pwd)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
ln -s "$root" "$scratch/htnet"
export PYTHONPATH="$scratch${PYTHONPATH:+:$PYTHONPATH}"
cd "$scratch" || exit 1

lacking=$("$python" - <<'PY'
from importlib.util import find_spec

wanted = ("torch", "cv2", "numpy", "rich", "typer", "safetensors")
print(" ".join(name for name in wanted if find_spec(name) is None))
PY
) || { echo "expected a Python at $python; it does not start: name one with PYTHON."; exit 1; }
if [ -n "$lacking" ]; then
  echo "expected the libraries htnet needs; $python has no $lacking: install htnet first."
  exit 1
fi

# measure NAME ARGUMENTS...: one bench into its JSON file, then its tables.
measure() {
  local name=$1 kind=$3 file="$results/$1.json"
  shift
  echo
  local left=$((deadline - SECONDS))
  [ "$left" -lt "$limit" ] || left=$limit
  [ "$left" -gt 5 ] || { echo "$name is left out: the ten minutes are over."; return; }
  timeout "$left" "$python" -m htnet.cli "$@" --json >"$file" 2>"$results/$name.log"
  case $? in
    0) ;;
    124) echo "$name did not end within $left s, and is left out."; rm -f "$file"; return ;;
    *) echo "$name is left out: $(tail -n 1 "$results/$name.log")"; rm -f "$file"; return ;;
  esac
  "$python" - "$kind" "$file" <<'PY'
import json
import sys

from rich.console import Console

from htnet.calib.bench.flow import flow_table
from htnet.calib.bench.model import model_table
from htnet.calib.bench.pair import pair_tables

kind, path = sys.argv[1:]
with open(path, encoding="utf-8") as file:
    row = json.load(file)
tables = {"flow": lambda r: [flow_table(r)], "model": lambda r: [model_table(r)], "pair": pair_tables}
for table in tables[kind](row):
    Console(width=100, highlight=False).print(table)
PY
}

command -v nvidia-smi >/dev/null && nvidia-smi --query-gpu=name,driver_version,memory.total --format=csv
timeout 60 "$python" -m htnet.cli doctor

common=(--device "$device" --rounds "$rounds" --seconds "$share")
measure flow bench flow "${common[@]}" --solvers farneback,dis --batches "$batches" \
  --sizes "$sizes" --forms torch,graph
measure flow-compiled bench flow "${common[@]}" --solvers farneback --batches "$few" \
  --sizes "$crop" --forms compile
measure flow-tvl1 bench flow "${common[@]}" --solvers tvl1 --batches "$few" \
  --sizes "$crop" --forms torch,graph
for part in model pair; do
  measure "$part" bench "$part" "${common[@]}" "${network[@]}" --batches "$few" \
    --runtimes torch,compile --precisions "$precisions"
  measure "$part-sweep" bench "$part" "${common[@]}" "${network[@]}" --batches "$batches" \
    --runtimes torch --precisions "$precisions"
  for runtime in onnx tensorrt tensorrt-rtx; do
    measure "$part-$runtime" bench "$part" "${common[@]}" "${network[@]}" --batches "$few" \
      --runtimes "$runtime" --precisions "$precisions"
  done
done
echo
echo "The figures are in $results."
