// A client whose types come from the document: what the server takes compiles, and what it does not take does not.
import type { components, paths } from "./api";

type Post<P extends keyof paths> = paths[P] extends { post: infer O } ? O : never;
type Body<P extends keyof paths> =
  Post<P> extends { requestBody?: { content: { "application/json": infer B } } } ? B : never;
type Answer<O> = O extends { responses: { 200: { content: { "application/json": infer A } } } } ? A : never;

const increment: Body<"/entities/counter/{id}/events"> = { type: "increment", amount: 5 };
const many: Body<"/entities/account/{id}/events"> = [{ type: "deposit", amount: 5 }, { type: "withdraw", amount: 1 }];
// @ts-expect-error A counter does not understand this.
const unknown: Body<"/entities/counter/{id}/events"> = { type: "decrement" };
// @ts-expect-error An amount is a number.
const mistyped: Body<"/accounts/{id}/deposit"> = { amount: "5" };
// @ts-expect-error There is no such kind.
type None = paths["/entities/none/{id}/events"];

export async function counter(base: string, id: string): Promise<number> {
  const answer = await fetch(`${base}/entities/counter/${id}`);
  const entity = (await answer.json()) as Answer<paths["/entities/counter/{id}"]["get"]>;
  return entity.state.value;
}

export function deposited(receipt: Answer<Post<"/entities/account/{id}/events">>): components["schemas"]["AccountReply"] | undefined {
  return Array.isArray(receipt) ? receipt[0]?.reply : receipt.reply;
}

export function unread(page: Answer<paths["/users/{id}/conversations"]["get"]>): number {
  return page.items.reduce((sum, item) => sum + item.unread, 0);
}

export const sent = [increment, many, unknown, mistyped];
export type { None };
