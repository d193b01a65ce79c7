use super::*;

fn counts(passed: u32, failed: u32) -> Counts {
    Counts { passed, failed }
}

#[test]
fn a_good_stream_passes_with_its_numbers() {
    let stream = "selkie: boot\nok CNODEOP0001\nok CNODEOP0002\nselftest: 2 passed, 0 failed\n";
    assert_eq!(judge_self_test(stream, End::Code(0)), Ok(counts(2, 0)));
}

#[test]
fn each_kind_of_bad_stream_fails() {
    let problem = |stream, end| judge_self_test(stream, end).unwrap_err();
    let (numbers, text) = problem("ok A\n1 passed, 2 failed\n", End::Code(1));
    assert_eq!((numbers, text.as_str()), (counts(1, 2), "2 of its tests failed"));
    // A guest that reports failures must fail whatever code it ends with.
    assert_eq!(problem("1 passed, 2 failed\n", End::Code(0)).0, counts(1, 2));
    assert!(problem("ok A\n", End::Code(0)).1.contains("closing line"));
    assert!(problem("ok A\npanic\n", End::Code(101)).1.contains("kernel panic"));
    assert!(problem("ok A\n", End::NoCode).1.contains("reset"));
    assert!(problem("ok A\n", End::TimedOut).1.contains("hung"));
    assert!(problem("1 passed, 0 failed\n", End::TimedOut).1.contains("hung"));
    assert!(problem("0 passed, 0 failed\n", End::Code(0)).1.contains("no test"));
    assert!(problem("1 passed, 0 failed\n", End::Code(101)).1.contains("kernel panic"));
    for stream in ["", "0 passed, 0 failed\n"] {
        assert_eq!(problem(stream, End::Code(0)).0.failed, 1);
    }
}

#[test]
fn the_time_with_interrupts_off_is_bounded() {
    let said = |ticks: u64| format!("x\ninterrupts off for {ticks} ticks at most, in an interrupt\r\ny\n");
    assert_eq!(judge_latency(&said(LATENCY_LIMIT)), Ok(()));
    assert!(judge_latency(&said(LATENCY_LIMIT + 1)).unwrap_err().contains("100001"));
    assert!(judge_latency("1 passed, 0 failed\n").unwrap_err().contains("did not say"));
}

#[test]
fn only_a_whole_closing_line_counts() {
    assert_eq!(closing_line("12 passed, 3 failed"), Some(counts(12, 3)));
    assert_eq!(closing_line("[0.3 s] 12 passed, 3 failed  "), Some(counts(12, 3)));
    for line in ["12 passed", "x passed, 3 failed", "12 passed, 3 failed so far", "passed, failed"] {
        assert_eq!(closing_line(line), None, "{line}");
    }
}

#[test]
fn cargos_result_lines_are_summed() {
    let output = "test a ... ok\ntest result: ok. 5 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.1s\n\
        noise: 7 passed; 8 failed\ntest result: FAILED. 2 passed; 3 failed; 0 ignored; finished in 1.05s\n";
    assert_eq!(host_counts(output), counts(7, 3));
}

#[test]
fn the_boot_script_must_print_every_line_and_end_well() {
    let complete: String = BOOT_LINES.iter().map(|(text, _)| format!("{text} x\n")).collect();
    assert_eq!(judge_boot(&complete, End::Code(0)), Ok(()));
    for end in [End::Code(1), End::Code(PANIC_CODE), End::NoCode, End::TimedOut] {
        assert!(judge_boot(&complete, end).unwrap_err().contains(&describe(end)));
    }
    for (text, shown) in BOOT_LINES {
        // A line that only mentions the text is somebody else's.
        let problem =
            judge_boot(&complete.replace(text, &format!("root: {text}")), End::Code(0)).unwrap_err();
        assert!(problem.contains(shown), "{problem}");
    }
}

#[test]
fn a_restart_is_one_that_was_asked_for() {
    let asked = "root: the machine restarts, as asked\n";
    assert_eq!(judge_restart(asked, End::NoCode), Ok(()));
    assert!(judge_restart(asked, End::Code(0)).is_err() && judge_restart("x", End::NoCode).is_err());
}

#[test]
fn a_fault_must_be_told_and_its_memory_must_come_back() {
    let case = &FAULT_CASES[0];
    let good = format!(
        "root: console runs x\nroot: buddy: 10 of 9999 KiB free\n{} x\n{REGISTERS}1\nhello: 1\nroot: buddy: 800 of 1000 KiB free, x\n{SAME_BLOCKS}\n",
        case.told
    );
    assert_eq!(judge_fault(case, &good, End::Code(1)), Ok(()));
    assert!(judge_fault(case, &good, End::Code(0)).is_err());
    assert!(judge_fault(case, &good.replace(case.told, ""), End::Code(1)).unwrap_err().contains(case.told));
    let complaint = |output: &str| judge_fault(case, output, End::Code(1)).unwrap_err();
    assert!(complaint(&good.replace(REGISTERS, "x")).contains("registers"));
    assert!(complaint(&format!("{good}root: crashy said: panic\n")).contains("registers"));
    assert!(judge_fault(case, &good.replace("hello:", ""), End::Code(1)).unwrap_err().contains("hello:"));
    assert!(
        judge_fault(case, &good.replace(SAME_BLOCKS, "root: x"), End::Code(1))
            .unwrap_err()
            .contains(SAME_BLOCKS)
    );
    let leaking = good.replace("800 of", "600 of");
    assert!(judge_fault(case, &leaking, End::Code(1)).unwrap_err().contains("400 KiB"));
}
