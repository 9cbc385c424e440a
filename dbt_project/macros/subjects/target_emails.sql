{#- The normalised emails of the batch. -#}
{% macro target_emails() -%}
    select value from erasure.targets where batch_id = {{ batch_id() }} and kind = 'email'
{%- endmacro %}
