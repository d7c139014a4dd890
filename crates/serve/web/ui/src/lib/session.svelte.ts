// The token of this browser tab. Kept in sessionStorage: it ends with the tab and is never put in a URL or a cookie.

const KEY = 'netwright.token';

class Session {
  token = $state(sessionStorage.getItem(KEY) ?? '');
  /** The API refused the last request: a token is missing or no longer good. */
  needed = $state(false);

  use(token: string): void {
    this.token = token.trim();
    sessionStorage.setItem(KEY, this.token);
    this.needed = false;
  }

  headers(): Record<string, string> {
    return this.token ? { 'X-Auth-Token': this.token } : {};
  }
}

export const session = new Session();
