"""What a careful script does without an engine: reads rows, asks, writes answers. Keeps nothing on disk but the result.

Needs aiohttp. Usage: ask.py BASE_URI ROWS.jsonl RESULT.jsonl PARALLEL
"""

import asyncio
import json
import sys

import aiohttp


async def ask(session, base_uri, row):
    body = {
        "model": "mistral-small-latest",
        "max_tokens": 20,
        "messages": [{"role": "user", "content": f"Describe {row['name']} in one sentence."}],
    }
    async with session.post(f"{base_uri}/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        answer = await response.json()
    return {"id": row["id"], "text": answer["choices"][0]["message"]["content"]}


async def main(base_uri, rows, result, parallel):
    queue = asyncio.Queue(maxsize=4 * parallel)
    headers = {"Authorization": "Bearer test-key"}
    with open(result, "w") as out:
        async with aiohttp.ClientSession(headers=headers, connector=aiohttp.TCPConnector(limit=parallel)) as session:

            async def work():
                while (row := await queue.get()) is not None:
                    out.write(json.dumps(await ask(session, base_uri, row)) + "\n")

            workers = [asyncio.create_task(work()) for _ in range(parallel)]
            with open(rows) as lines:
                for line in lines:
                    await queue.put(json.loads(line))
            for _ in workers:
                await queue.put(None)
            await asyncio.gather(*workers)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4])))
