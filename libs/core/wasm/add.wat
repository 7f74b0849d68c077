;; Sums of float32 arrays, eight elements at a time.
(module
  (memory (export "memory") 1)

  ;; Adds the values at `values` to those from `target` up to `end`; pointers in bytes, a multiple of eight elements.
  (func (export "add") (param $target i32) (param $values i32) (param $end i32)
    (loop $next
      (v128.store (local.get $target) (f32x4.add (v128.load (local.get $target)) (v128.load (local.get $values))))
      (v128.store offset=16 (local.get $target)
        (f32x4.add (v128.load offset=16 (local.get $target)) (v128.load offset=16 (local.get $values))))
      (local.set $values (i32.add (local.get $values) (i32.const 32)))
      (br_if $next (i32.lt_u (local.tee $target (i32.add (local.get $target) (i32.const 32))) (local.get $end))))))
