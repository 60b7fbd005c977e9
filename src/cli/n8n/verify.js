// Made by `rulerun n8n export`. Lets a delivery pass only when rulerun has signed it.
// n8n needs NODE_FUNCTION_ALLOW_BUILTIN=crypto and N8N_BLOCK_ENV_ACCESS_IN_NODE=false.
const crypto = require('crypto');

const MAX_AGE = 300; // seconds, in either direction
const EVENT = /*event*/;
const SCHEMES = /*schemes*/;
const VARIABLES = /*variables*/;
const secrets = [/*secrets*/].filter((secret) => secret);

const call = $input.first();
const headers = call.json.headers || {};
const header = (name) => String(headers[name] || '').trim();
// The bytes as they arrived: JSON that was parsed and written again is another text.
const body = Buffer.from(await this.helpers.getBinaryDataBuffer(0, 'data'));

function mac(key, ...parts) {
  const hmac = crypto.createHmac('sha256', key);
  parts.forEach((part) => hmac.update(part));
  return hmac.digest();
}

// The key of Standard Webhooks: base64 after whsec_, or the text itself.
function standardKey(secret) {
  const text = secret.replace(/^whsec_/, '');
  const bytes = Buffer.from(text, 'base64');
  return bytes.length > 0 && bytes.toString('base64') === text ? bytes : Buffer.from(text);
}

const same = (ours, theirs) => ours.length === theirs.length && crypto.timingSafeEqual(ours, theirs);
const hex = (text) => Buffer.from(text.replace(/^sha256=/, ''), 'hex');
const fits = (make, given) => secrets.some((secret) => given.some((mac) => same(make(secret), mac)));

function checkAge(text) {
  const now = Math.floor(Date.now() / 1000);
  if (!/^\d+$/.test(text)) throw new Error('the timestamp is missing');
  if (Math.abs(now - Number(text)) > MAX_AGE) throw new Error('the timestamp is too old or too early');
}

const checks = {
  body() {
    checkAge(header('x-webhook-timestamp'));
    return fits((secret) => mac(secret, body), [hex(header('x-webhook-signature-256'))]);
  },
  timestamped() {
    const time = header('x-webhook-timestamp');
    checkAge(time);
    return fits((secret) => mac(secret, time, '.', body), [hex(header('x-webhook-signature-256'))]);
  },
  // This one covers the time as well, so an old delivery cannot be made to look new.
  standard() {
    const [id, time] = [header('webhook-id'), header('webhook-timestamp')];
    checkAge(time);
    const given = header('webhook-signature').split(' ').filter((token) => token.startsWith('v1,'));
    const macs = given.map((token) => Buffer.from(token.slice(3), 'base64'));
    return fits((secret) => mac(standardKey(secret), id, '.', time, '.', body), macs);
  },
  github() {
    return fits((secret) => mac(secret, body), [hex(header('x-hub-signature-256'))]);
  },
  stripe() {
    const pairs = header('stripe-signature').split(',').map((pair) => pair.trim().split('='));
    const time = (pairs.find(([name]) => name === 't') || [])[1] || '';
    checkAge(time);
    const given = pairs.filter(([name]) => name === 'v1').map(([, value]) => hex(value || ''));
    return fits((secret) => mac(secret, time, '.', body), given);
  },
};

const refuse = (reason) => [{ json: { verified: false, status: 401, answer: { detail: reason } } }];
try {
  if (secrets.length === 0) throw new Error(`n8n does not know the secret: set ${VARIABLES}`);
  if (!SCHEMES.every((scheme) => checks[scheme]())) return refuse('the signature does not match');
} catch (error) {
  return refuse(error.message);
}

// The same delivery may come again after a lost answer; its id is the same then.
const id = header('webhook-id');
const payload = JSON.parse(body.toString('utf8'));
return [{ json: { verified: true, status: 200, answer: { received: EVENT, id }, event: EVENT, id, payload } }];
