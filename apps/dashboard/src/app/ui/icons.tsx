import type { JSX } from 'preact'

const shapes = {
  brand: (
    <g>
      <path d="M12 3 21 8l-9 5-9-5z" />
      <path d="m3 12 9 5 9-5" />
      <path d="m3 16 9 5 9-5" opacity=".5" />
    </g>
  ),
  runs: <path d="M4 6h16M4 12h11M4 18h7" />,
  workers: (
    <g>
      <rect x="5" y="5" width="14" height="14" rx="2" />
      <path d="M9 9h6v6H9zM9 2v3M15 2v3M9 19v3M15 19v3M2 9h3M2 15h3M19 9h3M19 15h3" />
    </g>
  ),
  queues: (
    <g>
      <rect x="3" y="4" width="18" height="4" rx="1" />
      <rect x="3" y="10" width="18" height="4" rx="1" />
      <rect x="3" y="16" width="18" height="4" rx="1" />
    </g>
  ),
  schedules: (
    <g>
      <circle cx="12" cy="12" r="9" />
      <path d="M12 7v5l3 3" />
    </g>
  ),
  models: (
    <g>
      <path d="m12 3 8 4.5v9L12 21l-8-4.5v-9z" />
      <path d="m4 7.5 8 4.5 8-4.5M12 12v9" />
    </g>
  ),
  plus: <path d="M12 5v14M5 12h14" />,
  sun: (
    <g>
      <circle cx="12" cy="12" r="4" />
      <path d="M12 2v2M12 20v2M2 12h2M20 12h2M5 5l1.4 1.4M17.6 17.6 19 19M5 19l1.4-1.4M17.6 6.4 19 5" />
    </g>
  ),
  moon: <path d="M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z" />,
  leave: <path d="M14 4h5v16h-5M10 8l-4 4 4 4M6 12h9" />,
  picture: (
    <g>
      <rect x="3" y="4" width="18" height="16" rx="2" />
      <path d="m4 17 5-5 4 4 3-3 4 4" />
      <circle cx="9" cy="9" r="1.5" />
    </g>
  ),
} satisfies Record<string, JSX.Element>

export type IconName = keyof typeof shapes

export function Icon({ name }: { name: IconName }) {
  return (
    <svg
      class="icon"
      viewBox="0 0 24 24"
      width="18"
      height="18"
      fill="none"
      stroke="currentColor"
      stroke-width="1.8"
      stroke-linecap="round"
      stroke-linejoin="round"
      aria-hidden="true"
    >
      {shapes[name]}
    </svg>
  )
}
