"""The chart is rendered and linted by Helm itself, and what comes of it is what the Kubernetes API takes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from helm_python.chart import Chart, lint, values_from_yaml
from helm_python.errors import HelmError
from ruamel.yaml import YAML

from konstruct.cli import app
from konstruct.ending import EDGE_ENDS_WITHIN, WORKER_ENDS_WITHIN
from konstruct.settings import Settings
from tests.architecture.test_readme import commands
from tests.docker.composed import DOCKER

CHART = DOCKER / "helm"
EXAMPLES = sorted((CHART / "examples").glob("*.yaml"))
OPERATORS = {"ServiceMonitor", "PrometheusRule"}
"""Kinds of an operator's own, which no schema of Kubernetes knows."""
BY_EXAMPLE = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)

Manifest = dict[str, Any]


def values(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = values_from_yaml(path.read_text())
    return read


def rendered(given: dict[str, Any], name: str = "konstruct") -> list[Manifest]:
    with Chart.load(str(CHART)) as chart:
        texts = chart.render(values=given, name=name, namespace="konstruct")
    reader = YAML(typ="safe", pure=True)
    return [
        manifest
        for path, text in texts.items()
        if not path.endswith("NOTES.txt")
        for manifest in reader.load_all(text)
        if manifest
    ]


def of_kind(manifests: list[Manifest], kind: str) -> dict[str, Manifest]:
    return {each["metadata"]["name"]: each for each in manifests if each["kind"] == kind}


def pods(manifests: list[Manifest]) -> Iterator[Manifest]:
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "Job"):
            yield manifest["spec"]["template"]["spec"]


@BY_EXAMPLE
def test_helm_finds_nothing_to_mend(path: Path) -> None:
    report = lint(str(CHART), values=values(path), strict=True)
    assert report["errors"] == []
    # 1 is advice; an icon is all that it misses.
    assert [(each["severity"], each["error"]) for each in report["messages"]] == [(1, "icon is recommended")]


@pytest.mark.parametrize("version", ["1.29.0", "1.33.0", "1.37.0"])
@BY_EXAMPLE
def test_the_api_of_kubernetes_takes_it(path: Path, version: str) -> None:
    manifests = rendered(values(path))
    for manifest in manifests:
        if manifest["kind"] not in OPERATORS:
            kubernetes_validate.validate(manifest, version, strict=True)
    assert {"Deployment", "Service", "Job", "Ingress", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"} <= {
        manifest["kind"] for manifest in manifests
    }
    names = [(manifest["kind"], manifest["metadata"]["name"]) for manifest in manifests]
    assert len(names) == len(set(names))


def test_a_field_that_is_none_is_noticed() -> None:
    manifest = of_kind(rendered(values(EXAMPLES[0])), "Deployment")["konstruct-gateway"]
    manifest["spec"]["template"]["spec"]["containers"][0]["readOnly"] = True
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.37.0", strict=True)


@BY_EXAMPLE
def test_a_pod_may_do_nothing_but_run(path: Path) -> None:
    for pod in pods(rendered(values(path))):
        assert pod["automountServiceAccountToken"] is False
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["runAsUser"] == 10001
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod)
        [container] = pod["containers"]
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert container["resources"]["limits"]["memory"]
        assert "latest" not in container["image"]


@BY_EXAMPLE
def test_a_process_is_asked_on_its_own_port_and_has_time_to_end(path: Path) -> None:
    for name, deployment in of_kind(rendered(values(path)), "Deployment").items():
        pod = deployment["spec"]["template"]["spec"]
        [container] = pod["containers"]
        asked = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
        assert asked["readinessProbe"] == asked["startupProbe"] == {"path": "/health/ready", "port": "metrics"}
        assert asked["livenessProbe"] == {"path": "/health/live", "port": "metrics"}
        assert {"name": "metrics", "containerPort": 9464} in container["ports"]
        is_worker = "worker" in name or "background" in name
        # Before it is killed it ends itself and says so, and what it says takes some seconds.
        ends_within = WORKER_ENDS_WITHIN if is_worker else EDGE_ENDS_WITHIN
        assert ends_within.total_seconds() + 4 < pod["terminationGracePeriodSeconds"] == (90 if is_worker else 30)


@BY_EXAMPLE
def test_the_login_that_owns_the_tables_is_the_migrations_alone(path: Path) -> None:
    manifests = rendered(values(path))
    job = of_kind(manifests, "Job")["konstruct-migrate"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-install,pre-upgrade"
    for pod in pods(manifests):
        [container] = pod["containers"]
        secrets = [source["secretRef"]["name"] for source in container["envFrom"]]
        assert secrets == (["konstruct", "konstruct-migration"] if container["name"] == "migrate" else ["konstruct"])


@BY_EXAMPLE
def test_commands_and_settings_of_the_product_exist(path: Path) -> None:
    known = {f"KONSTRUCT_{name.upper()}" for name in Settings.model_fields} | {"FORWARDED_ALLOW_IPS"}
    # The port that every process is asked on.
    known |= {"KONSTRUCT_METRICS_HOST", "KONSTRUCT_METRICS_PORT"}
    for pod in pods(rendered(values(path))):
        [container] = pod["containers"]
        assert container["args"][0] in commands(app)
        assert {each["name"] for each in container["env"]} <= known


def test_builds_run_side_by_side_until_the_older_one_is_taken_off_the_list() -> None:
    given = values(CHART / "examples" / "managed.yaml")
    before = {**given, "image": {**given["image"], "tag": "2026.11.4"}, "builds": {"current": "2026.11.4"}}
    old = of_kind(rendered(before), "Deployment")
    both = of_kind(rendered(given), "Deployment")
    assert {name for name in both if "worker" in name or "background" in name} == {
        "konstruct-worker-2026-12-1",
        "konstruct-background-2026-12-1",
        "konstruct-worker-2026-11-4",
        "konstruct-background-2026-11-4",
    }
    for part in ("worker", "background"):
        earlier = both[f"konstruct-{part}-2026-11-4"]["spec"]
        # Its pods are not replaced: they end when they are needed no more.
        assert earlier["template"] == old[f"konstruct-{part}-2026-11-4"]["spec"]["template"]
        env = {each["name"]: each["value"] for each in earlier["template"]["spec"]["containers"][0]["env"]}
        assert env["KONSTRUCT_BUILD_ID"] == "2026.11.4"
        assert earlier["selector"] != both[f"konstruct-{part}-2026-12-1"]["spec"]["selector"]


def test_without_builds_all_workers_of_a_release_end_before_the_next() -> None:
    deployments = of_kind(rendered(values(CHART / "examples" / "cluster.yaml")), "Deployment")
    assert {name: each["spec"]["strategy"]["type"] for name, each in deployments.items()} == {
        "konstruct-gateway": "RollingUpdate",
        "konstruct-portal": "RollingUpdate",
        "konstruct-worker": "Recreate",
        "konstruct-background": "Recreate",
    }


def test_nobody_gets_in_and_nothing_out_but_where_it_has_to() -> None:
    policies = of_kind(rendered(values(CHART / "examples" / "managed.yaml")), "NetworkPolicy")
    everywhere = policies["konstruct"]["spec"]
    assert everywhere["policyTypes"] == ["Ingress", "Egress"]
    [scraped] = everywhere["ingress"]
    assert scraped["ports"] == [{"port": 9464, "protocol": "TCP"}]
    internet = everywhere["egress"][1]["to"][0]["ipBlock"]
    assert {"169.254.0.0/16", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"} <= set(internet["except"])
    [edges] = policies["konstruct-edges"]["spec"]["ingress"]
    assert edges["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "ingress-nginx"}}}]


def test_a_certificate_for_temporal_is_seen_by_whoever_speaks_to_it_and_nobody_else() -> None:
    given = values(CHART / "examples" / "cluster.yaml")
    manifests = rendered({**given, "secrets": {**given["secrets"], "temporal": "temporal-client"}})
    for manifest in manifests:
        if manifest["kind"] in ("Deployment", "Job"):
            kubernetes_validate.validate(manifest, "1.37.0", strict=True)
    for pod in pods(manifests):
        [container] = pod["containers"]
        env = {each["name"]: each["value"] for each in container["env"]}
        mounted = {each["name"]: each for each in container["volumeMounts"]}
        volumes = {each["name"]: each for each in pod["volumes"]}
        if container["name"] == "migrate":
            assert not {"temporal"} & set(mounted) | {"KONSTRUCT_TEMPORAL_TLS_KEY"} & set(env)
            continue
        where = mounted["temporal"]["mountPath"]
        assert mounted["temporal"]["readOnly"] is True
        # The account of the pod's files may read it, and nobody else.
        assert volumes["temporal"]["secret"] == {"secretName": "temporal-client", "defaultMode": 0o440}
        assert env["KONSTRUCT_TEMPORAL_TLS_CERT"] == f"{where}/tls.crt"
        assert env["KONSTRUCT_TEMPORAL_TLS_KEY"] == f"{where}/tls.key"


def test_the_api_is_closed_where_nobody_uses_it() -> None:
    for example, is_open in (("cluster", True), ("managed", False)):
        ingress = of_kind(rendered(values(CHART / "examples" / f"{example}.yaml")), "Ingress")["konstruct"]["spec"]
        paths = [each["path"] for each in ingress["rules"][0]["http"]["paths"]]
        assert paths == ["/slack", "/whatsapp", "/stripe", *(["/api/v1"] if is_open else [])]
        assert ingress["tls"][0]["hosts"] == ["hooks.example.com", "portal.example.com"]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"image": {"tag": ""}}, "image.tag: say which release is to run"),
        ({"secrets": {"product": "", "migration": "m"}}, "secrets.product: name the Secret that holds"),
        ({"secrets": {"product": "p", "migration": ""}}, "secrets.migration: name the Secret that holds"),
        ({"gateway": {"host": ""}}, "gateway.host: say at which name Slack and Meta find"),
        ({"ingress": {"tls": ""}}, "ingress.tls: name the Secret of the certificate"),
        ({"networkPolicy": {"egress": []}}, "networkPolicy.egress: say how to reach Postgres"),
        ({"image": {"tag": "latest"}}, "'/image/tag': 'not' failed"),
        ({"settings": {"KONSTRUCT_ANTHROPIC_API_KEY": "sk-…"}}, "KONSTRUCT_ANTHROPIC_API_KEY"),
        ({"settings": {"KONSTRUCT_ENCRYPTION_KEYS": "…"}}, "KONSTRUCT_ENCRYPTION_KEYS"),
        ({"replicas": 3}, "replicas"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_is_missing_or_mistaken_is_said(change: dict[str, Any], says: str) -> None:
    given = values(CHART / "examples" / "cluster.yaml")
    with pytest.raises(HelmError, match=says):
        rendered(
            {
                **given,
                **{
                    key: {**given.get(key, {}), **part} if isinstance(part, dict) else part
                    for key, part in change.items()
                },
            }
        )


def test_every_setting_that_is_a_secret_is_refused_among_those_that_are_none() -> None:
    given = values(CHART / "examples" / "cluster.yaml")
    secret = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    assert len(secret) > 12
    for name in secret:
        with pytest.raises(HelmError, match=f"KONSTRUCT_{name.upper()}"):
            rendered({**given, "settings": {f"KONSTRUCT_{name.upper()}": "…"}})


def test_names_hold_where_the_release_is_called_otherwise() -> None:
    manifests = rendered(values(CHART / "examples" / "cluster.yaml"), name="shop")
    assert set(of_kind(manifests, "Deployment")) == {
        f"shop-konstruct-{part}" for part in ("gateway", "portal", "worker", "background")
    }
