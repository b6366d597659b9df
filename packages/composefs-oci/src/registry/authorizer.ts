import { parseChallenges } from "./challenge.ts";
import type { FoundCredentials } from "./credentials.ts";
import { basicHeader, type Token, type TokenHttp, type TokenRequest, tokenHttp, tokenRequest } from "./token.ts";

/** What an authorizer needs of the client it works for. */
export interface AuthorizerOptions {
  /** The access wanted, such as `repository:library/alpine:pull`. */
  readonly scope: string;
  /** Begins messages. */
  readonly what: string;
  readonly findCredentials: () => Promise<FoundCredentials>;
  readonly fetchToken: (request: TokenHttp) => Promise<Token>;
}

/** A token is not used when it ends within this time. */
const MARGIN_MS = 5_000;

/** Turns a registry's challenges into `Authorization` headers, and keeps them for the requests that follow. */
export class Authorizer {
  readonly #options: AuthorizerOptions;
  #found: Promise<FoundCredentials> | null = null;
  #basic: string | null = null;
  #bearer: TokenRequest | null = null;
  #token: Token | null = null;
  #pending: Promise<Token> | null = null;

  constructor(options: AuthorizerOptions) {
    this.#options = options;
  }

  /** The header for the next request; null until the registry has asked for one. */
  async header(): Promise<string | null> {
    return this.#bearer === null ? this.#basic : this.#bearerHeader(this.#bearer, null);
  }

  /**
   * The header that answers a challenge, or null where there is none to try.
   *
   * @param used the header that was refused
   */
  async answer(challenge: string | undefined, used: string | null): Promise<string | null> {
    const challenges = parseChallenges(challenge ?? "");
    const bearer = challenges.find(({ scheme }) => scheme === "bearer");
    if (bearer !== undefined) {
      this.#bearer = tokenRequest(bearer, this.#options.scope, this.#options.what);
      return this.#bearerHeader(this.#bearer, used);
    }
    if (!challenges.some(({ scheme }) => scheme === "basic")) return null;
    const { credentials } = await this.#credentials();
    const header = credentials === null ? null : basicHeader(credentials);
    this.#basic = header === used ? null : header;
    return this.#basic;
  }

  /** Why a credential helper gave nothing, if one was asked. */
  async helperFailure(): Promise<Error | null> {
    return this.#found === null ? null : (await this.#found).helperFailure;
  }

  async #bearerHeader(request: TokenRequest, refused: string | null): Promise<string> {
    const usable = this.#token !== null && this.#token.expiresAtMs - MARGIN_MS > Date.now();
    if (!usable || `Bearer ${this.#token?.value}` === refused) {
      // Several requests may find the same token stale; they share the next one.
      this.#pending ??= this.#fetch(request).finally(() => {
        this.#pending = null;
      });
      this.#token = await this.#pending;
    }
    return `Bearer ${this.#token?.value}`;
  }

  async #fetch(request: TokenRequest): Promise<Token> {
    const { credentials } = await this.#credentials();
    return this.#options.fetchToken(tokenHttp(request, credentials));
  }

  #credentials(): Promise<FoundCredentials> {
    this.#found ??= this.#options.findCredentials();
    return this.#found;
  }
}
