import Base
import CLinux
import Glibc

/// The terminal's other screen, which is gone without a trace when the program ends: size, keys and
/// what is drawn.
package final class Screen {
    /// A change of the window's size is seen within this time.
    private static let lookInterval = Duration.milliseconds(200)
    private static let ownMax = 4096

    private let signals: SignalInbox
    private var before: termios?
    private var keys = KeyDecoder()
    private var isOpen = true

    /// - Parameter signals: SIGINT, SIGTERM and SIGHUP end it.
    package init(_ signals: SignalInbox) {
        self.signals = signals
        var settings = termios()
        if isatty(0) == 1, tcgetattr(0, &settings) == 0 {
            before = settings
            settings.c_lflag &= ~tcflag_t(ICANON | ECHO)
            withUnsafeMutableBytes(of: &settings.c_cc) { codes in
                codes[Int(VMIN)] = 0
                codes[Int(VTIME)] = 0
                codes[Int(VSUSP)] = 0  // Stopped, it would leave its screen behind.
            }
            tcsetattr(0, TCSANOW, &settings)
        }
        Console.emit(Array("\u{1B}[?1049h\u{1B}[?25l".utf8))
    }

    deinit { close() }

    /// Gives the terminal back as it was.
    package func close() {
        guard isOpen else { return }
        isOpen = false
        Console.emit(Array("\u{1B}[?25h\u{1B}[?1049l".utf8))
        if var before { tcsetattr(0, TCSAFLUSH, &before) }
    }

    /// Size of the window, in characters.
    package var size: (height: Int, width: Int) {
        var size = winsize()
        guard ioctl(1, UInt(TIOCGWINSZ), &size) == 0, size.ws_row > 0, size.ws_col > 0 else {
            return (24, 80)
        }
        return (Int(size.ws_row), Int(size.ws_col))
    }

    /// - Parameter lines: as many as the window has, none of them wider. Each is erased before it
    ///   is written: behind a line that fills the window the cursor stands on its last character.
    package func draw(_ lines: [String]) {
        let text = lines.map { "\u{1B}[2K" + $0 }.joined(separator: "\r\n")
        Console.emit(Array("\u{1B}[H\(text)".utf8))
    }

    package enum Event: Hashable {
        case keys([Key])
        case resized
        case time
        /// Ctrl-C, SIGTERM, or the terminal is gone.
        case end
    }

    /// The next thing that happens until then.
    package func wait(until due: Instant) -> Event {
        let size = size
        while true {
            let left = min(Self.lookInterval, due - Clock.instant)
            guard left > .zero else { return .time }
            var descriptors = [
                pollfd(fd: signals.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: before == nil ? -1 : 0, events: Int16(POLLIN), revents: 0),
            ]
            let count = poll(&descriptors, 2, Int32(max(1, left.milliseconds)))
            if count < 0, errno != EINTR { return .end }
            if descriptors[0].revents != 0, !signals.take().isEmpty { return .end }
            if Console.outputFailure != nil { return .end }
            if descriptors[1].revents != 0 {
                var bytes = [UInt8](repeating: 0, count: Self.ownMax)
                let got = StandardInput.read(into: &bytes)
                guard got > 0 else { return .end }
                let pressed = keys.receive(bytes.prefix(got))
                if !pressed.isEmpty { return .keys(pressed) }
            } else {
                let pressed = keys.pause()
                if !pressed.isEmpty { return .keys(pressed) }
            }
            if self.size != size { return .resized }
        }
    }
}
