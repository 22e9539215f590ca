// Envoy's google.protobuf.Any, in the form that the codec packs. Which messages go where is not known here.

/** A message with its type: `any('envoy.extensions.filters.http.cors.v3.CorsPolicy', policy)`. */
export function any<Message extends object>(
  type: string,
  message: Message,
): { '@type': string } & Message {
  return { '@type': `type.googleapis.com/${type}`, ...message };
}
