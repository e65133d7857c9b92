#!/bin/sh
# Makes the namespace in which the product's workflows run, where it is missing. TEMPORAL_ADDRESS says where the server is.
set -eu
: "${KONSTRUCT_TEMPORAL_NAMESPACE:?is not set: the namespace to make}"

# The server answers on its port before it can do this.
attempts=0
until temporal operator namespace describe --namespace "$KONSTRUCT_TEMPORAL_NAMESPACE" >/dev/null 2>&1; do
  temporal operator namespace create --namespace "$KONSTRUCT_TEMPORAL_NAMESPACE" --retention "${RETENTION:-72h}" && break
  attempts=$((attempts + 1))
  if [ "$attempts" -ge 30 ]; then
    echo "The namespace $KONSTRUCT_TEMPORAL_NAMESPACE could not be made in a minute." >&2
    exit 1
  fi
  sleep 2
done
echo "The namespace $KONSTRUCT_TEMPORAL_NAMESPACE is there."
