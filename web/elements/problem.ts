import {ApiError} from '../api/client.js';
import {text} from '../i18n/text.js';

// A sentence for what went wrong, with the id to quote.
export function problem(error: unknown): string {
  if (error instanceof ApiError) {
    if (error.status === 0) return text('error.network');
    const said = error.message || text('error.unknown', {status: String(error.status)});
    return error.reference ? `${said} (${text('error.reference', {id: error.reference})})` : said;
  }
  return error instanceof Error ? error.message : String(error);
}
