// Sends with a client of the Cloud API that others wrote, and prints what the client says, one object a line.
//
//   node send.mjs BASE-URL ACCESS-TOKEN PHONE-NUMBER-ID < messages
//
// A message is a line: a user, and the name of a template or nothing for text.
import { createInterface } from 'node:readline';
import { GraphApiError, WhatsAppClient } from '@kapso/whatsapp-cloud-api';

const [baseUrl, accessToken, phoneNumberId] = process.argv.slice(2);
const client = new WhatsAppClient({ baseUrl, accessToken });

for await (const line of createInterface({ input: process.stdin })) {
  const [to, name] = line.split(' ');
  try {
    const sent = name
      ? await client.messages.sendTemplate({ phoneNumberId, to, template: { name, language: { code: 'en_US' } } })
      : await client.messages.sendText({ phoneNumberId, to, body: 'hi' });
    console.log(JSON.stringify({ id: sent.messages[0].id }));
  } catch (error) {
    if (!(error instanceof GraphApiError)) throw error;
    const { code, httpStatus, details, category, retry } = error;
    console.log(JSON.stringify({ code, httpStatus, details, category, action: retry.action, retryAfter: retry.retryAfterMs }));
  }
}
