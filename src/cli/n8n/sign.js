// Made by `rulerun n8n export`. Signs what came in for /*endpoint*/.
// n8n needs NODE_FUNCTION_ALLOW_BUILTIN=crypto and N8N_BLOCK_ENV_ACCESS_IN_NODE=false.
const crypto = require('crypto');

// What is sent when nothing came in, such as with "Execute workflow".
const EXAMPLE = /*example*/;
// Each check of the endpoint: the scheme, its headers' names, and the secret.
const SIGNATURES = [/*signatures*/];

const given = $input.first().json;
// Written once: these bytes are signed, and these bytes are sent.
const body = JSON.stringify(Object.keys(given).length > 0 ? given : EXAMPLE);
const time = String(Math.floor(Date.now() / 1000));
const id = `msg_${crypto.randomUUID()}`;

function mac(key, ...parts) {
  const hmac = crypto.createHmac('sha256', key);
  parts.forEach((part) => hmac.update(part));
  return hmac;
}

// The key of Standard Webhooks: base64 after whsec_, or the text itself.
function standardKey(secret) {
  const text = secret.replace(/^whsec_/, '');
  const bytes = Buffer.from(text, 'base64');
  return bytes.length > 0 && bytes.toString('base64') === text ? bytes : Buffer.from(text);
}

const schemes = {
  body: (secret, names) => ({
    [names.signature]: mac(secret, body).digest('hex'),
    [names.time]: time,
  }),
  timestamped: (secret, names) => ({
    [names.signature]: mac(secret, time, '.', body).digest('hex'),
    [names.time]: time,
  }),
  standard: (secret, names) => ({
    'webhook-id': id,
    [names.time]: time,
    [names.signature]: `v1,${mac(standardKey(secret), id, '.', time, '.', body).digest('base64')}`,
  }),
  github: (secret, names) => ({ [names.signature]: `sha256=${mac(secret, body).digest('hex')}` }),
  stripe: (secret, names) => ({ [names.signature]: `t=${time},v1=${mac(secret, time, '.', body).digest('hex')}` }),
};

const headers = {};
for (const { scheme, names, secret, variable } of SIGNATURES) {
  if (!secret) throw new Error(`n8n does not know the secret: set ${variable}`);
  Object.assign(headers, schemes[scheme](secret, names));
}
return [{ json: { body, headers } }];
