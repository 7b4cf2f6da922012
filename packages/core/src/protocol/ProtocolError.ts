/**
 * The one error a decoder throws: the bytes of the peer are not a message of the protocol.
 *
 * It is raised by bytes from outside only. A value of ours that cannot be encoded is a defect of this program and fails
 * an assertion instead. Kafka answers such bytes by closing the connection, and so does the listener.
 */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError"
}
