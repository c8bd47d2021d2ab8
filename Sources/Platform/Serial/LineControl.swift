import Base
import CLinux
import Glibc

extension SerialPort {
    /// Raw mode as `settings` says, at once (TCSETS2 does not drain), then read back. A difference
    /// is an error on a real line; a pseudo-terminal has no parity and no character size, which is
    /// said.
    static func configure(
        _ descriptor: Int32, _ path: String, _ settings: LineSettings, _ isPseudoTerminal: Bool,
        _ remarks: inout [String]
    ) throws(LineFailure) {
        let wanted = try termios(settings, path)
        var asked = wanted
        guard clinux_termios_set(descriptor, &asked) == 0 else {
            let words = SystemFailure("TCSETS2", code: errno).words
            throw LineFailure(.settings, "\(path) does not accept \(settings.describe): \(words)")
        }
        var got = clinux_termios()
        guard clinux_termios_get(descriptor, &got) == 0 else {
            throw LineFailure(.lost, "\(path): \(SystemFailure("TCGETS2", code: errno).words)")
        }
        let baud = Int(got.output_baud)
        guard abs(baud - settings.baud) * 50 <= settings.baud else {
            throw LineFailure(
                .settings, "\(path) cannot do \(settings.baud) baud: the driver set \(baud)")
        }
        let character = UInt32(CSIZE) | UInt32(PARENB) | UInt32(PARODD)
        if (got.control ^ wanted.control) & character != 0 {
            guard isPseudoTerminal else {
                throw LineFailure(
                    .settings,
                    "\(path) cannot do \(settings.describe): the driver changed parity or size")
            }
            remarks.append(
                "\(path) is a pseudo-terminal: parity and character size of \(settings.describe)"
                    + " have no effect")
        }
        guard (got.control ^ wanted.control) & UInt32(CSTOPB) == 0 else {
            throw LineFailure(.settings, "\(path) cannot do \(settings.stopBits) stop bits")
        }
        guard got.local == 0, got.output & UInt32(OPOST) == 0, got.control & CLINUX_CRTSCTS == 0
        else {
            throw LineFailure(.settings, "\(path) does not go into raw mode")
        }
    }

    /// The kernel's words for `settings`: raw, receiver on, modem lines ignored, no hang-up on
    /// close (a restart must not reset nodes fed from DTR). VMIN 1 makes an empty non-blocking read
    /// EAGAIN, so that 0 always is a hang-up. With parity, INPCK turns a damaged character into
    /// NUL.
    private static func termios(
        _ settings: LineSettings, _ path: String
    ) throws(LineFailure) -> clinux_termios {
        guard (1...12_000_000).contains(settings.baud), (5...8).contains(settings.dataBits),
            (1...2).contains(settings.stopBits)
        else {
            throw LineFailure(.settings, "\(path): \(settings.describe) is no serial setting")
        }
        let sizes = [CS5, CS6, CS7, CS8]
        var control =
            UInt32(sizes[settings.dataBits - 5]) | UInt32(CREAD) | UInt32(CLOCAL) | CLINUX_BOTHER
        if settings.stopBits == 2 { control |= UInt32(CSTOPB) }
        switch settings.parity {
        case .none: break
        case .even: control |= UInt32(PARENB)
        case .odd: control |= UInt32(PARENB) | UInt32(PARODD)
        }
        return clinux_termios(
            input: settings.parity == .none ? 0 : UInt32(INPCK), output: 0, control: control,
            local: 0,
            input_baud: UInt32(settings.baud), output_baud: UInt32(settings.baud),
            read_minimum: 1, read_time: 0)
    }

    /// TIOCSRS485 and read back. Many drivers lack it, and then adapters that switch by themselves
    /// still work: a remark, not an error. `.software` asks nothing of the driver: the loop drives
    /// RTS.
    static func setRS485(
        _ descriptor: Int32, _ settings: LineSettings.RS485, _ remarks: inout [String]
    ) {
        guard settings.rts != .software else {
            if clinux_rts(descriptor, 0) != 0 {
                remarks.append("the driver has no RTS line to switch")
            }
            return
        }
        var flags = CLINUX_RS485_ENABLED
        flags |= settings.rts == .onSend ? CLINUX_RS485_RTS_ON_SEND : CLINUX_RS485_RTS_AFTER_SEND
        if settings.receiveDuringSend { flags |= CLINUX_RS485_RX_DURING_TX }
        if settings.terminate { flags |= CLINUX_RS485_TERMINATE_BUS }
        var wanted = clinux_rs485(
            flags: flags, delay_before_send_ms: milliseconds(settings.delayBeforeSend),
            delay_after_send_ms: milliseconds(settings.delayAfterSend))
        guard clinux_rs485_set(descriptor, &wanted) == 0 else {
            let words = SystemFailure("TIOCSRS485", code: errno).words
            remarks.append(
                "the driver has no RS-485 mode (\(words)); the adapter must switch direction by itself"
            )
            return
        }
        var got = clinux_rs485()
        guard clinux_rs485_get(descriptor, &got) == 0 else { return }
        if got.flags & flags != flags {
            remarks.append("the driver took only part of the RS-485 options")
        }
        if got.delay_before_send_ms != wanted.delay_before_send_ms
            || got.delay_after_send_ms != wanted.delay_after_send_ms
        {
            remarks.append(
                "the driver set RS-485 delays of \(got.delay_before_send_ms) ms before and"
                    + " \(got.delay_after_send_ms) ms after sending")
        }
    }

    private static func milliseconds(_ delay: Duration) -> UInt32 {
        UInt32(clamping: (max(0, delay.nanoseconds) + 999_999) / 1_000_000)
    }

    /// An FTDI chip holds received bytes back for 16 ms unless its latency timer is set to 1 ms.
    static func shortenLatency(_ path: String, in system: SystemPaths, _ remarks: inout [String]) {
        let files = FileSystem.linkChain(path).compactMap(lastPart).map {
            "\(system.sys)/class/tty/\($0)/device/latency_timer"
        }
        guard let file = files.last(where: { FileSystem.exists($0) }),
            let text = try? FileSystem.text(file),
            let now = Int(text), now > 1
        else { return }
        do {
            try FileSystem.overwrite(file, Array("1".utf8))
        } catch {
            remarks.append(
                "the USB adapter delays replies by up to \(now) ms and its latency timer cannot be set"
                    + " (\(error.words)); install udev/70-fieldgw.rules")
        }
    }
}
