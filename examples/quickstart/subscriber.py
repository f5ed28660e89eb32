from fastapi import FastAPI, Request

app = FastAPI()


@app.post("/", status_code=204)
async def receive(request: Request) -> None:
    event = request.headers
    print(event["ce-type"], event["ce-id"], await request.json(), flush=True)
