# shellcheck shell=bash
# Renders the overlays of kubernetes/ and checks them without a cluster. Source it after machine.sh,
# in the root of the repository.

readonly kubernetes_folder=$PWD/target/kubernetes

# Installs the programs of kubernetes/validation, unless they are installed.
need_kubernetes_programs() {
    local wanted=kubernetes/validation installed=$kubernetes_folder/installed
    mkdir -p -- "$installed"
    if ! cmp --quiet -- "$wanted/requirements.txt" "$installed/requirements.txt"; then
        say "installing the Python programs of $wanted"
        rm -rf -- "$kubernetes_folder/venv"
        /usr/bin/python3 -m venv "$kubernetes_folder/venv"
        "$kubernetes_folder/venv/bin/pip" install --quiet --disable-pip-version-check \
            --requirement "$wanted/requirements.txt"
        cp -- "$wanted/requirements.txt" "$installed/"
    fi
    if ! cmp --quiet -- "$wanted/package-lock.json" "$installed/package-lock.json"; then
        say "installing the schemas of operators"
        rm -rf -- "$kubernetes_folder/models"
        mkdir -p -- "$kubernetes_folder/models"
        cp -- "$wanted/package.json" "$wanted/package-lock.json" "$kubernetes_folder/models"
        npm ci --prefix "$kubernetes_folder/models" --ignore-scripts --no-audit --no-fund --loglevel=error
        cp -- "$wanted/package-lock.json" "$installed/"
    fi
}

test_kubernetes() {
    local overlay rendered=()
    need_kubernetes_programs
    say "checking the Kubernetes manifests"
    for overlay in kubernetes/overlays/*/; do
        overlay=$(basename -- "$overlay")
        kubectl kustomize "kubernetes/overlays/$overlay" >"$kubernetes_folder/$overlay.yaml"
        rendered+=("$kubernetes_folder/$overlay.yaml")
    done
    PYTHONDONTWRITEBYTECODE=1 "$kubernetes_folder/venv/bin/python" kubernetes/validation/check.py \
        "$kubernetes_folder/models/node_modules" "${rendered[@]}"
}
