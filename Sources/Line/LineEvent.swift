import Base

/// Event on one line that its driver is told of. What is large and seldom is indirect: an event is
/// copied on its way, several times in each exchange.
package enum LineEvent: Hashable, Sendable {
    indirect case opened(LineFacts)
    indirect case failed(LineFailure)
    case received([UInt8])
    /// Bytes that came before a scheduled request went out, so it did not.
    case intruded([UInt8])
    /// The scheduled request went out so much after its time.
    case sentLate(Duration)
    /// A burst is over: the exchanges of it that have been carried out, oldest first, and the bytes
    /// that came and were no reply to it.
    indirect case carried([ReadBurst.Exchange], [UInt8])
    /// Errors that the UART has counted since the previous `errors` event.
    indirect case errors(LineErrors)
    indirect case lost(LineFailure)
    /// The descriptor is closed, as was wanted: another program can have it.
    case closed
}
