"""What tests share: running a module in this process, reading the lab's audit log, starting a lab of their own."""
