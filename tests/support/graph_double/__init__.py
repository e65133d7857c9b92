"""Meta's Graph API for WhatsApp on loopback: a real HTTP server which checks what Graph checks.

    graph = GraphDouble(webhook_url=f"{gateway}/whatsapp")
    number, sheena = graph.add_number(), graph.person("16505551234", "Sheena Nelson")
    async with graph.running():
        said = await graph.person_says(number, sheena, "Do you repair bikes?")
        [reply] = await graph.wait_for_sent(number, sheena)
        await graph.status(reply, "delivered")

It lives in one event loop; whatever talks to it may live anywhere. Time-outs are real time, but how late it is at Meta
moves on with ``pass_time``.
"""

from tests.support.graph_double import webhooks
from tests.support.graph_double.delivery import Delivery, Said, sign
from tests.support.graph_double.server import Call, GraphDouble
from tests.support.graph_double.world import App, ApprovedTemplate, Json, Media, Number, Person, Sent, World

__all__ = [
    "App",
    "ApprovedTemplate",
    "Call",
    "Delivery",
    "GraphDouble",
    "Json",
    "Media",
    "Number",
    "Person",
    "Said",
    "Sent",
    "World",
    "sign",
    "webhooks",
]
