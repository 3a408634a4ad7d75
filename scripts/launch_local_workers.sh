#!/usr/bin/env bash
# Trains with N worker processes on this machine, as N machines would: for trying a cluster out.
#
#     scripts/launch_local_workers.sh 2 configs/bccd_yolov5n.yaml --run runs/two data.path=BCCD train.epochs=3
#
# What follows the config goes to `yolo-tf train` as it is. Each worker says in front of its lines which it is. When one
# fails, the others are ended and its exit code is returned. PYTHON names another interpreter.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: $0 N CONFIG [arguments of yolo-tf train]" >&2
    exit 2
fi
workers=$1 config=$2
shift 2
case $workers in
'' | *[!0-9]* | 0) echo "$0: N is '$workers'. Expected a number of workers, 1 or more." >&2; exit 2 ;;
esac
python=${PYTHON:-python}

# Free ports, all held at once so that no two are the same.
addresses=$("$python" - "$workers" <<'END'
import json, socket, sys
doors = [socket.create_server(("127.0.0.1", 0)) for _ in range(int(sys.argv[1]))]
print(json.dumps([f"127.0.0.1:{door.getsockname()[1]}" for door in doors]))
END
)

processes=()
end_all() { kill "${processes[@]}" 2>/dev/null || true; }
trap 'end_all; exit 130' INT TERM
for ((index = 0; index < workers; index++)); do
    export TF_CONFIG="{\"cluster\": {\"worker\": $addresses}, \"task\": {\"type\": \"worker\", \"index\": $index}}"
    "$python" -m yolo_tf train --config "$config" "$@" \
        > >(sed -u "s/^/[$index] /") 2> >(sed -u "s/^/[$index] /" >&2) &
    processes+=($!)
done

for ((finished = 0; finished < workers; finished++)); do
    status=0
    wait -n || status=$?
    if [ "$status" -ne 0 ]; then
        end_all
        wait || true
        exit "$status"
    fi
done
