"""A session of the official SDK against the simulator. Usage: session.py URL

Each step prints its name before it runs, so the last line names the one that failed.
"""

import base64
import json
import sys
import time

from mistralai.client import Mistral

client = Mistral(api_key="test-key", server_url=sys.argv[1])
USER = [{"role": "user", "content": "Describe an oak table."}]


def step(name):
    print(name, flush=True)


step("models")
models = client.models.list().data
assert models and client.models.retrieve(model_id=models[0].id).id == models[0].id

step("chat")
plain = client.chat.complete(model="mistral-small-latest", messages=USER, max_tokens=20)
text = plain.choices[0].message.content
assert text and plain.usage.completion_tokens <= 20

step("chat stream")
pieces, usage = [], None
for event in client.chat.stream(model="mistral-small-latest", messages=USER, max_tokens=20):
    pieces.append(event.data.choices[0].delta.content or "")
    usage = event.data.usage or usage
assert "".join(pieces) == text, (pieces, text)
assert usage.total_tokens == plain.usage.total_tokens

step("chat with a schema")
schema = {"type": "object", "required": ["topic"], "properties": {"topic": {"enum": ["a", "b"]}}}
answer = client.chat.complete(
    model="m", messages=USER, response_format={"type": "json_schema", "json_schema": {"name": "t", "schema": schema}}
)
assert json.loads(answer.choices[0].message.content)["topic"] in ("a", "b")

step("chat with tools")
tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}
answer = client.chat.complete(model="m", messages=USER, tools=[tool], tool_choice="any")
assert answer.choices[0].message.tool_calls[0].function.name == "look"

step("fim")
assert client.fim.complete(model="codestral-latest", prompt="def f(", max_tokens=10).choices[0].message.content

step("embeddings")
vectors = client.embeddings.create(model="mistral-embed", inputs=["a", "b"]).data
assert len(vectors) == 2 and len(vectors[0].embedding) == 1024

step("files")
content = bytes(range(256)) * 40
uploaded = client.files.upload(file={"file_name": "a \"b\" ä.bin", "content": content}, purpose="ocr")
assert uploaded.size_bytes == len(content)
assert client.files.download(file_id=uploaded.id).read() == content
assert client.files.get_signed_url(file_id=uploaded.id).url.startswith("http")
assert uploaded.id in [file.id for file in client.files.list().data]
assert client.files.delete(file_id=uploaded.id).deleted

step("batch")
lines = [json.dumps({"custom_id": str(n), "body": {"max_tokens": 5, "messages": USER}}) for n in range(3)]
source = client.files.upload(file={"file_name": "in.jsonl", "content": "\n".join(lines).encode()}, purpose="batch")
job = client.batch.jobs.create(endpoint="/v1/chat/completions", model="mistral-small-latest", input_files=[source.id])
assert job.status in ("QUEUED", "RUNNING"), job.status
deadline = time.monotonic() + 60
while job.status in ("QUEUED", "RUNNING") and time.monotonic() < deadline:
    job = client.batch.jobs.get(job_id=job.id)
assert job.status == "SUCCESS", job.status
results = [json.loads(line) for line in client.files.download(file_id=job.output_file).read().splitlines()]
assert sorted(result["custom_id"] for result in results) == ["0", "1", "2"]
assert job.id in [other.id for other in client.batch.jobs.list().data]

step("agents")
agent = client.beta.agents.create(model="mistral-small-latest", name="Porter", instructions="Be brief.")
changed = client.beta.agents.update(agent_id=agent.id, instructions="Be kind.")
assert changed.instructions == "Be kind." and client.beta.agents.get(agent_id=agent.id).name == "Porter"
assert agent.id in [other.id for other in client.beta.agents.list()]
assert client.agents.complete(agent_id=agent.id, messages=USER).choices[0].message.content

step("conversations")
begun = client.beta.conversations.start(agent_id=agent.id, inputs="Hello")
assert begun.outputs[0].content
more = client.beta.conversations.append(conversation_id=begun.conversation_id, inputs="And now?")
assert more.conversation_id == begun.conversation_id
names = [event.event for event in client.beta.conversations.append_stream(conversation_id=begun.conversation_id, inputs="Go on")]
assert names[0] == "conversation.response.started" and names[-1] == "conversation.response.done", names
assert len(client.beta.conversations.get_history(conversation_id=begun.conversation_id).entries) >= 6
client.beta.conversations.delete(conversation_id=begun.conversation_id)
client.beta.agents.delete(agent_id=agent.id)

step("libraries")
library = client.beta.libraries.create(name="Handbook")
document = client.beta.libraries.documents.upload(library_id=library.id, file={"file_name": "a.txt", "content": b"text"})
deadline = time.monotonic() + 60
status = client.beta.libraries.documents.status(library_id=library.id, document_id=document.id)
while status.process_status not in ("done", "error") and time.monotonic() < deadline:
    status = client.beta.libraries.documents.status(library_id=library.id, document_id=document.id)
assert status.process_status == "done", status
assert document.id in [other.id for other in client.beta.libraries.documents.list(library_id=library.id).data]
client.beta.libraries.documents.delete(library_id=library.id, document_id=document.id)
client.beta.libraries.delete(library_id=library.id)

step("ocr")
pages = client.ocr.process(model="mistral-ocr-latest", document={"type": "document_url", "document_url": "https://example.org/a.pdf"}).pages
assert pages and pages[0].markdown is not None
text = base64.b64encode(b"first page\x0csecond page").decode()
read = client.ocr.process(model="mistral-ocr-latest", document={"type": "document_url", "document_url": "data:text/plain;base64," + text})
assert [page.markdown for page in read.pages] == ["first page", "second page"], read
assert read.usage_info.pages_processed == 2

step("moderation and classification")
judged = client.classifiers.moderate(model="mistral-moderation-latest", inputs=["a chair", "I will kill you"]).results
assert [result.categories["violence_and_threats"] for result in judged] == [False, True], judged
assert client.classifiers.classify(model="m", inputs=["a"]).results

step("transcription")
heard = client.audio.transcriptions.complete(model="voxtral-mini-latest", file={"file_name": "a.mp3", "content": b"sound"})
assert heard.text and heard.usage.prompt_audio_seconds == 1

step("speech")
spoken = client.audio.speech.complete(model="voxtral-mini-tts-latest", input="Hello", response_format="wav")
sound = base64.b64decode(spoken.audio_data)
assert sound.startswith(b"RIFF"), sound[:20]
heard = client.audio.transcriptions.complete(model="voxtral-mini-latest", file={"file_name": "a.wav", "content": sound})
assert heard.text

step("errors")
for status, call in [
    (401, lambda: Mistral(api_key="wrong", server_url=sys.argv[1]).models.list()),
    (404, lambda: client.models.retrieve(model_id="not-there")),
    (422, lambda: client.chat.complete(model="m", messages=USER, temperature=99)),
]:
    try:
        call()
    except Exception as error:  # the SDK has an exception of its own for each form of body
        assert getattr(error, "status_code", None) == status, (status, repr(error))
    else:
        raise AssertionError(f"no error where {status} was due")

step("done")
