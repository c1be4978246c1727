-- A plan can be applied by the server at a stated time, with the options of `applyPlan`. The refusal says why it was not.
ALTER TABLE "plan"
    ADD COLUMN "applies_at" TIMESTAMPTZ(3),
    ADD COLUMN "threshold" INTEGER,
    ADD COLUMN "skip_errors" BOOLEAN NOT NULL DEFAULT false,
    ADD COLUMN "refusal_ru" TEXT,
    ADD COLUMN "refusal_en" TEXT;

ALTER TABLE "plan" ADD CONSTRAINT "plan_applies_at_check" CHECK ("applies_at" IS NULL OR "state" = 'READY');
CREATE INDEX "plan_applies_at_idx" ON "plan" ("applies_at") WHERE "applies_at" IS NOT NULL;
