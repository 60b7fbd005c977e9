// Runs the script of a Code node as n8n does: as the body of an async function that sees
// `$input`, `$env` and `require`. One JSON object on standard input, one on standard output.
const AsyncFunction = (async () => {}).constructor;
const task = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const body = Buffer.from(task.body || '', 'base64');
const script = new AsyncFunction('$input', '$env', 'require', task.code);
const self = { helpers: { getBinaryDataBuffer: async () => body } };
const input = { first: () => ({ json: task.json }) };
script.call(self, input, task.env, require).then(
  (items) => console.log(JSON.stringify(items[0].json)),
  (error) => console.log(JSON.stringify({ error: error.message })),
);
