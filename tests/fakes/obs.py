"""An OBS with obs-websocket 5 in msgpack, on a port of its own."""

import asyncio
import base64
import hashlib
import threading

import msgpack
import websockets

CHALLENGE, SALT = "challenge", "salt"


def proof(password: str) -> str:
    secret = base64.b64encode(hashlib.sha256((password + SALT).encode()).digest())
    return base64.b64encode(hashlib.sha256(secret + CHALLENGE.encode()).digest()).decode()


class FakeObs:
    """Inputs with their sync offset; None for those without sound. `kinds` are OBS's names for what they are.

    Args:
        password: empty for none.
        way: "5", or how it misbehaves: "4" (old protocol), "rpc" (refuses the version), "mute" (never accepts),
            "odd" (accepts, then answers nonsense).
    """

    def __init__(self, password: str = "", way: str = "5") -> None:
        self.inputs: dict[str, int | None] = {"Mic/Aux": 0, "Desktop": 20, "Picture": None}
        self.kinds = {"Mic/Aux": "pulse_input_capture", "Desktop": "pulse_output_capture", "Picture": "image_source"}
        self.password, self.way = password, way
        self.requests: list[tuple[str, dict]] = []
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> "FakeObs":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_) -> None:
        self._loop.call_soon_threadsafe(self._ended.set)
        self._thread.join(10)

    async def _serve(self) -> None:
        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        protocols = None if self.way == "4" else ["obswebsocket.msgpack"]
        async with websockets.serve(self._talk, "127.0.0.1", 0, subprotocols=protocols) as server:
            self.port = server.sockets[0].getsockname()[1]
            self._ready.set()
            await self._ended.wait()

    async def _talk(self, socket) -> None:
        if self.way == "4":
            await socket.send('{"update-type": "Heartbeat"}')
            await socket.wait_closed()
            return
        hello = {"obsWebSocketVersion": "5.5.0", "rpcVersion": 1}
        if self.password:
            hello["authentication"] = {"challenge": CHALLENGE, "salt": SALT}
        await socket.send(msgpack.packb({"op": 0, "d": hello}))
        identify = msgpack.unpackb(await socket.recv())["d"]
        if self.way == "rpc":
            await socket.close(4010, "rpc")
        elif self.password and identify.get("authentication") != proof(self.password):
            await socket.close(4009, "Authentication failed.")
        elif self.way != "mute":
            await socket.send(msgpack.packb({"op": 2, "d": {"negotiatedRpcVersion": 1}}))
        async for message in socket:
            asked = msgpack.unpackb(message)["d"]
            reply = [1, 2] if self.way == "odd" else {"op": 7, "d": self._answer(asked)}
            await socket.send(msgpack.packb(reply))

    def _answer(self, asked: dict) -> dict:
        kind, data = asked["requestType"], asked.get("requestData") or {}
        self.requests.append((kind, data))
        status, result = self._do(kind, data)
        status = {"result": status == 100, "code": status, "comment": "No sound there."}
        return {"requestType": kind, "requestId": asked["requestId"], "requestStatus": status, "responseData": result}

    def _do(self, kind: str, data: dict) -> tuple[int, dict]:
        if kind == "GetInputList":
            return 100, {"inputs": [{"inputName": name, "inputKind": self.kinds[name]} for name in self.inputs]}
        name = data["inputName"]
        if name not in self.inputs:
            return 600, {}
        if self.inputs[name] is None:
            return 604, {}
        if kind == "SetInputAudioSyncOffset":
            self.inputs[name] = data["inputAudioSyncOffset"]
            return 100, {}
        return 100, {"inputAudioSyncOffset": self.inputs[name]}
