// Drives the official client library of a vendor against a stand-in and prints what the
// library made of the answers, as one JSON array. `node vendors.cjs VENDOR URL`; `VENDOR:N` sends
// N plain e-mails. The libraries are found through NODE_PATH.
"use strict";

const [asked, url] = process.argv.slice(2);
const [vendor, plain] = asked.split(":");

/** What N times the same call came to, one after the other. */
async function repeated(call) {
  const results = [];
  for (let n = 0; n < Number(plain); n++) results.push(await call());
  return results;
}

/** What a call came to: its data, or the library's own account of the error. */
async function told(call) {
  try {
    return { ok: await call() };
  } catch (error) {
    const { name, code, statusCode, status, message, recipients } = error;
    return { error: { name, code, statusCode, status, message, recipients } };
  }
}

async function resend() {
  const { Resend } = require("resend");
  const client = (key) => new Resend(key, { baseUrl: url });
  const good = client("re_stand_in");
  const mail = (more) => ({
    from: "Acme <a@acme.example>",
    to: ["b@shop.example"],
    subject: "Hi",
    text: "Hi",
    replyTo: "r@acme.example",
    headers: { "List-Unsubscribe": "<https://acme.example/u>" },
    tags: [{ name: "job", value: "j-1" }],
    ...more,
  });
  const parts = ({ data, error, headers }) => ({
    data,
    error,
    remaining: headers?.["ratelimit-remaining"],
  });
  if (plain) return (await repeated(() => good.emails.send(mail()))).map(parts);
  const first = await good.emails.send(mail(), { idempotencyKey: "k-1" });
  return [
    first,
    await good.emails.send(mail(), { idempotencyKey: "k-1" }),
    await good.emails.send(mail({ subject: "Other" }), { idempotencyKey: "k-1" }),
    await good.emails.send(mail(), { idempotencyKey: "k".repeat(257) }),
    await good.emails.send(mail(), { idempotencyKey: "k-2" }),
    await good.emails.get(first.data.id),
    await client("re_wrong").emails.send(mail()),
    await good.emails.send(mail({ to: [] })),
    await good.emails.send(mail({ from: "Acme <a@unverified.example>" })),
    await good.emails.send(mail({ tags: [{ name: "job", value: "ä b" }] })),
    await good.emails.send(
      mail({
        attachments: [
          { filename: "dot.gif", content: "R0lG", contentType: "image/gif", contentId: "dot@acme" },
          { filename: "a.pdf", content: "JVBE", contentType: "application/pdf" },
        ],
      }),
    ),
    await good.emails.send(mail({ subject: "Limited" })),
  ].map(parts);
}

async function postmark() {
  const { Models, ServerClient } = require("postmark");
  const host = url.replace("http://", "");
  const client = (token) => new ServerClient(token, { useHttps: false, requestHost: host });
  const good = client("00000000-aaaa-bbbb-cccc-stand-in-000");
  const mail = (more) => ({
    From: "Acme <a@acme.example>",
    To: "b@shop.example",
    Subject: "Hi",
    TextBody: "Hi",
    MessageStream: "outbound",
    Metadata: { job: "j-1" },
    Headers: [{ Name: "List-Unsubscribe", Value: "<https://acme.example/u>" }],
    ...more,
  });
  if (plain) return repeated(() => told(() => good.sendEmail(mail())));
  const find = (more) => good.getOutboundMessages({ count: 1, offset: 0, ...more });
  const calls = [
    () => good.sendEmail(mail()),
    () => find({ metadata_job: "j-1" }),
    () => find({ metadata_job: "j-2" }),
    () => good.sendEmail(mail({ MessageStream: "broadcast", Metadata: { job: "j-3" } })),
    () => find({ metadata_job: "j-3" }),
    () => find({ metadata_job: "j-3", messageStream: "broadcast" }),
    () => client("wrong").sendEmail(mail()),
    () => good.sendEmail(mail({ To: "" })),
    () => good.sendEmail(mail({ From: "nobody@unconfirmed.example" })),
    () => good.sendEmail(mail({ To: "gone@shop.example" })),
    () => good.sendEmail(mail({ MessageStream: "nowhere" })),
    () => good.sendEmail(mail({ Subject: "Limited" })),
    () => good.sendEmail(mail({ Subject: "Broken" })),
    () => {
      const dot = new Models.Attachment("dot.gif", "R0lG", "image/gif", "cid:dot@acme");
      const file = new Models.Attachment("a.pdf", "JVBE", "application/pdf");
      return good.sendEmail(mail({ Attachments: [dot, file], Metadata: { job: "j-9" } }));
    },
  ];
  const results = [];
  for (const call of calls) results.push(await told(call));
  return results;
}

async function notion() {
  const { Client } = require("@notionhq/client");
  const client = (auth) => new Client({ auth, baseUrl: url, retry: false, logLevel: "error" });
  const good = client("ntn_stand_in");
  const [database_id, data_source_id] = [
    "d0000000000000000000000000000001",
    "50000000-0000-0000-0000-000000000002",
  ];
  const person = (email) => ({
    parent: { type: "data_source_id", data_source_id },
    properties: { Name: { title: [{ text: { content: "Sarah" } }] }, Email: { email } },
  });
  const filter = { property: "Email", email: { equals: "s@shop.example" } };
  const found = () => good.dataSources.query({ data_source_id, filter, page_size: 1 });
  const calls = [
    () => good.databases.retrieve({ database_id }),
    () => good.dataSources.retrieve({ data_source_id }),
    found,
    () => good.pages.create(person("s@shop.example")),
    found,
    () =>
      good.pages.update({
        page_id: "page-1",
        properties: { Name: { title: [{ text: { content: "Sally" } }] } },
      }),
    () => client("ntn_wrong").databases.retrieve({ database_id }),
    () => good.databases.retrieve({ database_id: "f".repeat(32) }),
    () => good.pages.create({ ...person("x"), properties: { Shoe: { number: 40 } } }),
    found,
  ];
  const results = [];
  for (const call of calls) results.push(await told(call));
  return results;
}

({ resend, postmark, notion })[vendor]()
  .then((results) => console.log(JSON.stringify(results)))
  .catch((error) => {
    console.error(error);
    process.exit(1);
  });
